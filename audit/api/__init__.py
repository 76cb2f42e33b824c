"""Operations about the audit trail. They only read: entries are written by whatever they are about."""
