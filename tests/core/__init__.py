"""What every billing rule promises, without a database: tables for the rules, properties for the rest."""
