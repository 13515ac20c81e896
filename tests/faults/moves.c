/* Scripts of migrations: policies, plans, whole runs with clients, verification and repairs, stopping and going on. */
#include "faults/play.h"

#include "store/call.h"

#define STEP(name) static segue_status name(play *p)

static const char policy_text[] =
    "{ // what moves\n"
    "  \"rules\": [\n"
    "    {\"key\": \"counter\", \"action\": \"counter\"},\n"
    "    {\"glob\": \"r*\", \"action\": \"leave\"},\n"
    "    {\"key\": \"json\", \"action\": \"move\", \"last\": true, \"name\": \"the last\"},\n"
    "    {\"prefix\": \"\", \"action\": \"move\"}\n"
    "  ]\n}\n";

STEP(parse_policy)
{
    segue_policy *policy = NULL;
    char digest[SEGUE_POLICY_DIGEST_SIZE];
    segue_status st = segue_policy_parse(K(policy_text), &policy, &p->err);
    if (st != SEGUE_OK) return st;
    segue_policy_free(p->policy);
    p->policy = policy;
    segue_policy_digest(policy, digest);
    say(p, "%zu rules, %s, json %zu;", segue_policy_n_rules(policy), digest, segue_policy_classify(policy, K("json")));
    return st;
}

STEP(plan)
{
    segue_plan plan = {0};
    segue_status st = segue_plan_make(p->f, p->p, p->policy, &plan, &p->err);
    if (st != SEGUE_OK) return st;
    say(p, "%llu live, %llu to move, %zu unmatched, %llu already;", (unsigned long long)plan.all.live,
        (unsigned long long)plan.by_action[SEGUE_ACTION_MOVE].live, plan.n_unmatched, (unsigned long long)plan.already);
    segue_plan_free(&plan);
    return st;
}

static segue_migration_options options_of(play *p)
{
    return (segue_migration_options){.name = "one",
                                     .policy = p->policy,
                                     .dual = p->s,
                                     .workers = 1,
                                     .page_docs = 2,
                                     .hold_seal = true,
                                     .hold_clean = true,
                                     .count_first = true,
                                     .stale_ns = 1};
}

STEP(open_migration)
{
    atomic_fetch_add(&p->skew_ns, 1000000); /* past stale_ns: a runner that could not say that it left */
    segue_migration_options options = options_of(p);
    segue_migration *m = NULL;
    segue_status st = segue_migration_open(p->f, p->p, &options, &m, &p->err);
    if (st != SEGUE_OK) return st;
    segue_migration_close(p->migration);
    p->migration = m;
    return st;
}

STEP(run) { return segue_migration_run(p->migration, &p->err); }

STEP(status)
{
    segue_migration_status status = {0};
    segue_status st = segue_migration_status_read(p->p, "one", &status, &p->err);
    if (st != SEGUE_OK) return st;
    say(p, "%s;", segue_stage_name(status.stage)); /* counts may lack what could not be saved */
    segue_migration_status_free(&status);
    return st;
}

STEP(no_status)
{
    segue_migration_status status = {0};
    return segue_migration_status_read(p->p, "two", &status, &p->err);
}

/* Clients go on meanwhile. */
STEP(client_writes) { return segue_set(p->s, K("new"), K("[1]"), segue_expiry_none(), NULL, NULL, &p->err); }
STEP(client_counts)
{
    segue_status st = segue_incr(p->s, K("counter"), 1, NULL, segue_expiry_none(), NULL, &p->value, &p->err);
    if (st == SEGUE_OK) say(p, "%llu;", (unsigned long long)p->value);
    return st;
}
STEP(client_deletes) { return segue_delete(p->s, K("tomb"), NULL, &p->err); }

/* What was tried twice may stand in the manifests twice: how many differences there are is not said. */
static segue_status verify_with(play *p, unsigned options)
{
    segue_verified verified = {0};
    return segue_migration_verify(p->migration, options, NULL, NULL, &verified, &p->err);
}
STEP(verify) { return verify_with(p, 0); }

STEP(repair) { return verify_with(p, SEGUE_VERIFY_REPAIR); }

/* Somebody behind the migration's back: what was moved has another content under the same CAS. */
static segue_status damage(play *p, const char *key)
{
    segue_call call = seg_call_new(p->p, 0, &p->err);
    segue_status st = seg_call_get(p->p, K(key), &p->doc, &call);
    if (st == SEGUE_NOT_FOUND) return is_fine(p);
    if (st == SEGUE_OK) st = seg_call_erase(p->p, K(key), p->doc.rec.cas, &call);
    return st;
}
STEP(lose_one) { return damage(p, "json"); }

/* It lies in the fallback again, as it was. */
STEP(bring_back)
{
    segue_record rec = seed_record(SEED_JSON);
    segue_status st = segue_put_record(p->below_f, &rec, 0, NULL, NULL, &p->err);
    return st == SEGUE_EXISTS ? is_fine(p) : st;
}

STEP(seal) { return segue_migration_seal(p->migration, &p->err); }
STEP(clean) { return segue_migration_clean(p->migration, &p->err); }
STEP(client_reads) { return segue_get(p->s, K("json"), NULL, &p->doc, &p->err); }

STEP(rest)
{
    uint64_t n = 0;
    return segue_purge_tombstones(p->s, &n, &p->err);
}

static const step moving[] = {
    {"parse a policy", parse_policy, 0},
    {"plan", plan, 0},
    {"no status yet", no_status, 0},
    {"open a migration", open_migration, 0},
    {"a client counts", client_counts, 0},
    {"run", run, STEP_PARTIAL},
    {"status", status, 0},
    {"a client writes", client_writes, 0},
    {"a client counts", client_counts, 0},
    {"a client deletes", client_deletes, 0},
    {"verify", verify, 0},
    {"seal", seal, STEP_PARTIAL},
    {"a client reads", client_reads, 0},
    {"clean", clean, STEP_PARTIAL},
    {"status", status, 0},
    {"run what is finished", run, STEP_PARTIAL},
    {"purge", rest, STEP_PARTIAL},
};

/* ---- stopping, damage, repair ---- */

static void stop(void *ctx, const segue_progress *progress)
{
    play *p = ctx;
    if (progress->stage == SEGUE_STAGE_SWEEPING) segue_migration_cancel(p->migration);
}

STEP(open_and_stop)
{
    segue_migration_options options = options_of(p);
    segue_migration *m = NULL;
    options.progress = stop;
    options.progress_ctx = p;
    segue_status st = segue_migration_open(p->f, p->p, &options, &m, &p->err);
    if (st != SEGUE_OK) return st;
    segue_migration_close(p->migration);
    p->migration = m;
    return st;
}

STEP(lose_and_bring_back)
{
    segue_status st = lose_one(p);
    return st == SEGUE_OK ? bring_back(p) : st;
}

static const step stopping[] = {
    {"parse a policy", parse_policy, 0},
    {"open a migration that stops", open_and_stop, 0},
    {"run and stop", run, STEP_PARTIAL},
    {"a client writes", client_writes, 0},
    {"open it again", open_migration, 0},
    {"go on", run, STEP_PARTIAL},
    {"status", status, 0},
    {"lose one", lose_and_bring_back, STEP_PARTIAL},
    {"verify", verify, 0},
    {"repair", repair, STEP_PARTIAL},
    {"verify again", verify, 0},
    {"seal", seal, STEP_PARTIAL},
    {"clean", clean, STEP_PARTIAL},
    {"a client counts", client_counts, 0},
    {"status", status, 0},
};

const script move_scripts[] = {
    {"migration", moving, sizeof moving / sizeof moving[0], SCRIPT_DUAL | SCRIPT_LEGACY | SCRIPT_OWN_WAY},
    {"repairs", stopping, sizeof stopping / sizeof stopping[0], SCRIPT_DUAL | SCRIPT_LEGACY | SCRIPT_OWN_WAY},
};
const size_t n_move_scripts = sizeof move_scripts / sizeof move_scripts[0];
