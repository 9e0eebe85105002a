-- A schema that is hard to describe: one of everything that pg_catalog can hold, under names that need quotes.
create schema shop;
create schema "dot.ted";
create schema "Größe";
comment on schema shop is 'what is sold';

create type shop.mood as enum ('sad', 'so-so', 'it''s fine');
create domain shop.email as text not null constraint has_at check (value like '%@%');
create type shop.point3 as (x double precision, "Y" double precision);

create table shop.customer (
    id bigint generated always as identity primary key,
    mail shop.email,
    name text collate "C" not null default 'nobody',
    doubled text generated always as (name || name) stored,
    moods shop.mood[],
    mood shop.mood default 'sad',
    place shop.point3,
    gone int,
    amount numeric(12, 2) default 0.00,
    seen timestamptz default now(),
    parent bigint references shop.customer (id),
    constraint customer_mail_key unique (mail) deferrable initially deferred,
    constraint amount_positive check (amount >= 0)
);
alter table shop.customer drop column gone;
comment on table shop.customer is E'who buys\nover two lines | with a pipe';
comment on column shop.customer.mail is 'where letters go';
comment on constraint amount_positive on shop.customer is 'no debts';
create index customer_lower on shop.customer (lower(name) text_pattern_ops desc nulls last) include (amount)
    where amount > 10;
comment on index shop.customer_lower is 'for searches';

create table shop.orders (
    region text,
    id bigint,
    customer_id bigint not null references shop.customer on delete cascade,
    billed_to bigint references shop.customer (id) deferrable,
    placed date not null,
    primary key (region, id, placed)
) partition by range (placed);
create table shop.orders_2025 partition of shop.orders for values from ('2025-01-01') to ('2026-01-01');
create table shop.orders_2026 partition of shop.orders for values from ('2026-01-01') to ('2027-01-01');
create table shop.item (
    region text, order_id bigint, placed date, line int, note text,
    primary key (region, order_id, placed, line),
    constraint "the order" foreign key (region, order_id, placed) references shop.orders (region, id, placed)
);
create table public."Order ""x"".y" (
    "select" int primary key, "Straße" text, "a.b" int references public."Order ""x"".y" ("select")
);
comment on column public."Order ""x"".y"."Straße" is 'where it goes';
create index "on USING it" on public."Order ""x"".y" using btree ("Straße", ("a.b" + 1));
create table "dot.ted"."t.a" (id int primary key references public."Order ""x"".y");
create table "dot.ted"."Mixed" (id int);
create table public.mixed (id int);
create table public."Mixed" (id int);
create table "Größe"."Tabelle ä" (id int primary key, ref int references "dot.ted"."t.a");
create table public.base (id int, at tstzrange, exclude using gist (at with &&));
create table public.derived (extra text) inherits (public.base);
create unlogged table public.scratch (id int);
create view shop.rich as select id, name from shop.customer where amount > 1000;
comment on view shop.rich is 'the rich';
create materialized view shop.totals as select count(*) as n from shop.orders;
create table public.lonely (id int);
create function shop.tax(amount numeric, rate numeric default 0.19) returns numeric
    language sql immutable security definer return amount * rate;
comment on function shop.tax is 'value added tax';
create function shop.tax(amount int) returns int language sql return amount;
create procedure shop.close_year(year int) language sql begin atomic select 1; end;
create function public.touch() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger on_touch before update on shop.item for each row execute function public.touch();
alter table shop.item disable trigger on_touch;
create foreign data wrapper nowhere;
create server elsewhere foreign data wrapper nowhere;
create foreign table public.far_away (id int, name text) server elsewhere;
alter table shop.item enable row level security;
alter table public.scratch add constraint later check (id > 0) not valid;

insert into shop.customer (mail, name, amount) select 'a' || g || '@b', 'n' || g, g from generate_series(1, 2000) g;
insert into shop.orders select 'eu', g, 1 + g % 100, null, date '2025-01-01' + g % 700 from generate_series(1, 3000) g;
analyze shop.customer, shop.orders, shop.orders_2025, shop.orders_2026, shop.item;
