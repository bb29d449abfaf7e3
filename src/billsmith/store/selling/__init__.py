"""What is sold and who has subscribed to it: the catalogue, subscriptions with their timelines, what lines cover."""
