"""What should exist − what exists = what to add: from subscriptions to the lines of the next documents."""
