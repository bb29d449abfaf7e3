"""What pays an invoice or takes something off it, as values: payments, refunds, disputes, credit notes, write-offs."""
