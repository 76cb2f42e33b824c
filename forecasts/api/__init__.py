"""Operations about lines: reading, editing, handing in, deciding, one by one and many at once."""
