"""Plain numerics on arrays: counts, distances, tests, intervals. No pandas, no store."""
