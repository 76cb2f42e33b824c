"""Operations about settings."""
