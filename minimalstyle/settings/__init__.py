"""Each setting, declared once, and what follows from that."""
