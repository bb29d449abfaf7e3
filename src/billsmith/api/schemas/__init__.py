"""The shapes of bodies, and what core is told by them. What is answered: `actions/objects.py`."""
