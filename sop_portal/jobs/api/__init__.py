"""Operations about jobs, for those who may see their runs."""
