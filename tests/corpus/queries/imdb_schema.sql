-- The tables of a film database, by the Join Order Benchmark's table and column names.
CREATE TABLE kind_type (id int PRIMARY KEY, kind text);
CREATE TABLE role_type (id int PRIMARY KEY, role text);
CREATE TABLE info_type (id int PRIMARY KEY, info text);
CREATE TABLE link_type (id int PRIMARY KEY, link text);
CREATE TABLE company_type (id int PRIMARY KEY, kind text);
CREATE TABLE comp_cast_type (id int PRIMARY KEY, kind text);
CREATE TABLE keyword (id int PRIMARY KEY, keyword text, phonetic_code text);
CREATE TABLE company_name (id int PRIMARY KEY, name text, country_code text, imdb_id int, name_pcode_nf text, name_pcode_sf text, md5sum text);
CREATE TABLE char_name (id int PRIMARY KEY, name text, imdb_index text, imdb_id int, name_pcode_nf text, surname_pcode text, md5sum text);
CREATE TABLE name (
    id int PRIMARY KEY, name text, imdb_index text, imdb_id int, gender text, name_pcode_cf text, name_pcode_nf text,
    surname_pcode text, md5sum text
);
CREATE TABLE aka_name (
    id int PRIMARY KEY, person_id int, name text, imdb_index text, name_pcode_cf text, name_pcode_nf text, surname_pcode text, md5sum text
);
CREATE TABLE title (
    id int PRIMARY KEY, title text, imdb_index text, kind_id int, production_year int, imdb_id int, phonetic_code text,
    episode_of_id int, season_nr int, episode_nr int, series_years text, md5sum text
);
CREATE TABLE aka_title (
    id int PRIMARY KEY, movie_id int, title text, imdb_index text, kind_id int, production_year int, phonetic_code text,
    episode_of_id int, season_nr int, episode_nr int, note text, md5sum text
);
CREATE TABLE cast_info (id int PRIMARY KEY, person_id int, movie_id int, person_role_id int, note text, nr_order int, role_id int);
CREATE TABLE complete_cast (id int PRIMARY KEY, movie_id int, subject_id int, status_id int);
CREATE TABLE movie_companies (id int PRIMARY KEY, movie_id int, company_id int, company_type_id int, note text);
CREATE TABLE movie_info (id int PRIMARY KEY, movie_id int, info_type_id int, info text, note text);
CREATE TABLE movie_info_idx (id int PRIMARY KEY, movie_id int, info_type_id int, info text, note text);
CREATE TABLE movie_keyword (id int PRIMARY KEY, movie_id int, keyword_id int);
CREATE TABLE movie_link (id int PRIMARY KEY, movie_id int, linked_movie_id int, link_type_id int);
CREATE TABLE person_info (id int PRIMARY KEY, person_id int, info_type_id int, info text, note text);
