"""One function per verb: load values, let core decide, save values. Transactions begin and end here."""
