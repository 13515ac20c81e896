/* What the mutation tool is tried on: its own test. In a line that says so, a mutant is not noticed. */
#include <stdbool.h>

static int calls;

static void note(int by) { calls += by; }

static bool is_between(int low, int at, int high) { return low <= at && at < high; }

static int span(int from, int to)
{
    if (from > to) return -1;
    note(1);
    return to - from;
}

static int bounded(int n, int most)
{
    if (n >= most) /* with > it survives: of n == most both make the same */
        n = most;
    return n;
}

static int sum_to(int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        if (i == 3) continue;
        sum += i;
    }
    return sum;
}

int main(void)
{
    bool right = is_between(1, 1, 2) && !is_between(1, 2, 2) && !is_between(1, 0, 2) && span(2, 5) == 3;
    if (!right || span(5, 2) != -1 || span(4, 4) != 0 || calls != 2) return 1;
    if (bounded(3, 3) != 3 || bounded(4, 3) != 3 || bounded(2, 3) != 2 || sum_to(5) != 7) return 1;
    return 0;
}
