-- name: next_due_of_tenant
-- The first instant of the tenant's own time at which something falls due; each kind as its sweep looks for it.
SELECT min(due_at) FROM (
    SELECT min(expires_at) AS due_at FROM credits WHERE tenant_id = $1 AND expires_at IS NOT NULL AND remaining_minor > 0
    UNION ALL
    SELECT min(next_bill_at) FROM customers WHERE tenant_id = $1 AND next_bill_at IS NOT NULL
    UNION ALL
    SELECT min(next_change_at) FROM subscriptions WHERE tenant_id = $1 AND next_change_at IS NOT NULL
    UNION ALL
    SELECT min((input ->> 'effective_on')::timestamp AT TIME ZONE time_zone) FROM operations
    JOIN tenants ON tenants.id = tenant_id
    WHERE tenant_id = $1 AND kind = 'catalogue_move' AND operations.status = 'running'
    UNION ALL
    SELECT min(finalise_at) FROM invoices WHERE tenant_id = $1 AND finalise_at IS NOT NULL AND status = 'draft'
    UNION ALL
    SELECT min(next_check_at) FROM attempts WHERE tenant_id = $1 AND next_check_at IS NOT NULL AND status <> 'sent'
    UNION ALL
    SELECT min(next_try_at) FROM refunds
    WHERE tenant_id = $1 AND next_try_at IS NOT NULL AND status = 'pending'
        AND NOT EXISTS (
            SELECT FROM payments
            JOIN gateway_accounts AS accounts ON accounts.tenant_id = $1 AND accounts.id = payments.gateway_account_id
            WHERE payments.tenant_id = $1 AND payments.shard = refunds.shard AND payments.id = refunds.payment_id
                AND accounts.status = 'paused'
        )
    UNION ALL
    SELECT min(next_collect_at) FROM invoices
    WHERE tenant_id = $1 AND next_collect_at IS NOT NULL AND status = 'open' AND collection_state IN ('scheduled', 'retrying')
        AND (collection_reason IS DISTINCT FROM 'gateway_paused' OR NOT EXISTS (
            SELECT FROM customers
            LEFT JOIN customers AS parents ON parents.tenant_id = $1
                AND parents.shard = customers.shard AND parents.id = customers.parent_id
            JOIN payment_methods AS methods ON methods.tenant_id = $1 AND methods.shard = invoices.shard
                AND methods.id = coalesce(invoices.payment_method_id, customers.payment_method_id, parents.payment_method_id)
            JOIN gateway_accounts AS accounts ON accounts.tenant_id = $1 AND accounts.id = methods.gateway_account_id
            WHERE customers.tenant_id = $1 AND customers.shard = invoices.shard AND customers.id = invoices.customer_id
                AND accounts.status = 'paused'
        ))
) AS kinds;
