"""The pages of master data: lists and details of customers and products, sales history, imports."""
