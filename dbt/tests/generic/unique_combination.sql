{# Grain of several columns: no two rows have the same values in all of them. #}
{% test unique_combination(model, columns) %}
select
    {{ columns | join(', ') }},
    count(*) as times
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
