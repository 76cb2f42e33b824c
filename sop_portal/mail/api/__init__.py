"""Operations about one's own notices."""
