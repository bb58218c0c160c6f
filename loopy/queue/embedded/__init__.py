"""The embedded broker: a kombu virtual transport on one SQLite file.

Nothing in it is the truth: a message only says that the work graph has news, so the file may be deleted at any time.

url        the address of a broker file, and the entry in kombu's table of transports
schema     the tables, and how a connection to the file is opened
writerlock one writer at a time, in this process and among processes
owners     the kernel lock that says whether a consumer still lives
file       one open broker file: reads, writes, wake-ups, what is owed
registry   the files this process has open, and what a fork does to them
topology   exchanges, queues, bindings, consumers
messages   put, take, settle, count
upkeep     free the messages of dead consumers, expire, checkpoint
pace       how often an idle consumer looks
channel    kombu's channel and its credit
transport  kombu's transport and the loop that drains it
"""
