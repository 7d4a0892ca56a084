{{ config(materialized='view', schema='intermediate') }}

-- no row: a loaded year has all its holidays, and would widen the calendar to days that no other source has
select date_local from {{ ref('fct_holidays') }}
where false
