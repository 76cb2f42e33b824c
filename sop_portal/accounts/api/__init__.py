"""Operations about people: signing in, one's own tokens, users."""
