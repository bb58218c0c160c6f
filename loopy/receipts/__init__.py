"""Ship receipts: the signing key, the signatures, the files on disk, and the verification by anybody."""
