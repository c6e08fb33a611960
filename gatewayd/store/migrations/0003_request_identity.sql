-- A request's identity (gateway.md, section 4): the digest of its topic, its sn and its payload. Rows of before have none:
-- nothing is a repetition of them. `sn` is the JSON text of it, so that it is answered in the type in which it came.
ALTER TABLE journal ADD COLUMN identity BLOB;
UPDATE journal SET sn = json_quote(sn);
