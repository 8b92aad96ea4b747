-- The setting `schema` of psql: the namespace, md where it is not given.
\set ON_ERROR_STOP on
\set QUIET on
\if :{?schema}
\else
\set schema md
\endif
