"""The demo: a small real package, scripted agents and four tickets that show the whole loop."""
