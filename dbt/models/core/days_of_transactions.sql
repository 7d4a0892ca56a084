{{ config(materialized='view', schema='intermediate') }}

select date as date_local from {{ ref('fct_transactions') }}
