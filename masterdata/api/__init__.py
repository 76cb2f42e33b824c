"""Operations of the JSON API about master data: customers, products, prices, what was sold and budgeted, files."""
