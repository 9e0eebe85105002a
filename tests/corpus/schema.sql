-- The tables that the corpus reads.
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    email text,
    country char(2),
    created_at timestamptz NOT NULL DEFAULT now(),
    born date,
    credit numeric(12, 2),
    tags text[] NOT NULL DEFAULT '{}',
    profile jsonb
);
CREATE TABLE products (
    id bigint PRIMARY KEY,
    sku text,
    name text,
    category text,
    price numeric(10, 2),
    attrs jsonb,
    sizes int4range,
    search tsvector
);
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id bigint REFERENCES customers,
    status text,
    placed_at timestamptz,
    shipped_at timestamptz,
    total numeric(12, 2),
    valid tstzrange
);
CREATE TABLE order_items (
    order_id bigint REFERENCES orders,
    product_id bigint REFERENCES products,
    qty integer,
    price numeric(10, 2),
    PRIMARY KEY (order_id, product_id)
);
CREATE TABLE employees (
    id integer PRIMARY KEY,
    name text,
    dept text,
    manager_id integer REFERENCES employees,
    salary numeric(10, 2),
    hired date
);
CREATE TABLE events (
    id bigint PRIMARY KEY,
    user_id bigint,
    kind text,
    at timestamptz,
    payload jsonb,
    ip inet,
    session uuid,
    place point
);
CREATE TABLE readings (sensor integer, at timestamptz, value double precision);
CREATE TABLE "Odd Names" ("User ID" bigint, "order" integer, "sélect" text, "a.b" text, "type" text, "count" integer);
CREATE TABLE edges (src integer, dst integer, weight real);
CREATE SCHEMA reporting;
CREATE TABLE reporting.daily (day date, region text, revenue numeric, visits bigint);
CREATE VIEW reporting.recent AS SELECT id, status FROM orders WHERE placed_at > '2024-01-01';
