// What intel-ipsec-mb does by itself: so many jobs of one operation at a time, each with buffers of its own.
//
//     ipsec_mb OPERATION BYTES DEPTH SECONDS
//
// Prints JSON: operation, bytes, depth, version, ns (per message, the median of the rounds), mb_s, rounds. The keys are
// expanded once, as in any user of it; a job is filled in anew for every message. Results are folded into a checksum
// that is printed, so that no work can be left out.
//
//     cc -O2 -march=native -o ipsec_mb ipsec_mb.c -lIPSec_MB
#include <intel-ipsec-mb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_DEPTH = 256, TAG = 64, MOST_ROUNDS = 4096 };

typedef enum { HASH, HMAC, CMAC, CBC_ENC, CBC_DEC, CTR, CHAIN, GCM_ENC, GCM_DEC, CCM_ENC, CHACHA } Kind;

typedef struct {
    const char *name;
    Kind kind;
    int hash; // IMB_HASH_ALG
    unsigned key, digest;
} Operation;

static const Operation OPERATIONS[] = {
    {"sha1", HASH, IMB_AUTH_SHA_1, 0, 20},
    {"sha224", HASH, IMB_AUTH_SHA_224, 0, 28},
    {"sha256", HASH, IMB_AUTH_SHA_256, 0, 32},
    {"sha384", HASH, IMB_AUTH_SHA_384, 0, 48},
    {"sha512", HASH, IMB_AUTH_SHA_512, 0, 64},
    {"hmac-sha1", HMAC, IMB_AUTH_HMAC_SHA_1, 0, 20},
    {"hmac-sha256", HMAC, IMB_AUTH_HMAC_SHA_256, 0, 32},
    {"hmac-sha512", HMAC, IMB_AUTH_HMAC_SHA_512, 0, 64},
    {"cmac128", CMAC, IMB_AUTH_AES_CMAC, 16, 16},
    {"cbc128-enc", CBC_ENC, IMB_AUTH_NULL, 16, 0},
    {"cbc256-enc", CBC_ENC, IMB_AUTH_NULL, 32, 0},
    {"cbc128-dec", CBC_DEC, IMB_AUTH_NULL, 16, 0},
    {"ctr128", CTR, IMB_AUTH_NULL, 16, 0},
    {"ctr256", CTR, IMB_AUTH_NULL, 32, 0},
    {"cbc128+hmac-sha1", CHAIN, IMB_AUTH_HMAC_SHA_1, 16, 20},
    {"cbc128+hmac-sha256", CHAIN, IMB_AUTH_HMAC_SHA_256, 16, 32},
    {"cbc256+hmac-sha512", CHAIN, IMB_AUTH_HMAC_SHA_512, 32, 64},
    {"gcm128-enc", GCM_ENC, IMB_AUTH_AES_GMAC, 16, 16},
    {"gcm256-enc", GCM_ENC, IMB_AUTH_AES_GMAC, 32, 16},
    {"gcm256-dec", GCM_DEC, IMB_AUTH_AES_GMAC, 32, 16},
    {"ccm128-enc", CCM_ENC, IMB_AUTH_AES_CCM, 16, 16},
    {"chacha20-poly1305", CHACHA, IMB_AUTH_CHACHA20_POLY1305, 32, 16},
};

static const Operation *operation;
static IMB_MGR *manager;
static size_t bytes;
static unsigned depth;
static uint8_t *sources[MOST_DEPTH], *targets[MOST_DEPTH], tags[MOST_DEPTH][TAG], nonces[MOST_DEPTH][16];
static uint8_t key[64] = "a key of thirty-two bytes here.. and block", ipad[64], opad[64];
static DECLARE_ALIGNED(uint8_t enc_keys[16 * 15], 64);
static DECLARE_ALIGNED(uint8_t dec_keys[16 * 15], 64);
static DECLARE_ALIGNED(uint8_t subkeys[2][16], 64);
static DECLARE_ALIGNED(struct gcm_key_data gcm_key, 64);
static unsigned long completed;

static void die(const char *what) {
    fprintf(stderr, "ipsec_mb: %s\n", what);
    exit(2);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void hmac_state(uint8_t pad, uint8_t *state) {
    uint8_t block[128];
    for (unsigned i = 0; i < sizeof block; i++) {
        block[i] = pad ^ (i < 32 ? key[i] : 0);
    }
    switch (operation->hash) {
    case IMB_AUTH_HMAC_SHA_1:
        IMB_SHA1_ONE_BLOCK(manager, block, state);
        break;
    case IMB_AUTH_HMAC_SHA_256:
        IMB_SHA256_ONE_BLOCK(manager, block, state);
        break;
    default:
        IMB_SHA512_ONE_BLOCK(manager, block, state);
    }
}

static void prepare(void) {
    if (operation->key == 16) {
        IMB_AES_KEYEXP_128(manager, key, enc_keys, dec_keys);
        IMB_AES128_GCM_PRE(manager, key, &gcm_key);
        IMB_AES_CMAC_SUBKEY_GEN_128(manager, enc_keys, subkeys[0], subkeys[1]);
    } else {
        IMB_AES_KEYEXP_256(manager, key, enc_keys, dec_keys);
        IMB_AES256_GCM_PRE(manager, key, &gcm_key);
    }
    if (operation->kind == HMAC || operation->kind == CHAIN) {
        hmac_state(0x36, ipad);
        hmac_state(0x5c, opad);
    }
    for (unsigned i = 0; i < depth; i++) {
        // As far apart as separate allocations are, and not all at the same place of a page.
        sources[i] = aligned_alloc(64, (bytes + 4096 + 191) / 64 * 64);
        targets[i] = aligned_alloc(64, (bytes + 4096 + 191) / 64 * 64);
        if (!sources[i] || !targets[i]) {
            die("no memory");
        }
        memset(sources[i], (int)i + 1, bytes);
        memset(targets[i], 0, bytes);
        memset(nonces[i], (int)i, sizeof nonces[i]);
    }
}

static void fill(IMB_JOB *job, unsigned i) {
    const Kind kind = operation->kind;
    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->hash_alg = operation->hash;
    job->src = sources[i];
    job->dst = targets[i];
    job->cipher_start_src_offset_in_bytes = 0;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = bytes;
    job->auth_tag_output = tags[i];
    job->auth_tag_output_len_in_bytes = operation->digest;
    job->user_data = sources[i];
    if (kind == HMAC || kind == CHAIN) {
        job->u.HMAC._hashed_auth_key_xor_ipad = ipad;
        job->u.HMAC._hashed_auth_key_xor_opad = opad;
    }
    if (kind == CMAC) {
        job->u.CMAC._key_expanded = enc_keys;
        job->u.CMAC._skey1 = subkeys[0];
        job->u.CMAC._skey2 = subkeys[1];
    }
    if (kind == HASH || kind == HMAC || kind == CMAC) {
        return;
    }
    job->enc_keys = enc_keys;
    job->dec_keys = dec_keys;
    job->key_len_in_bytes = operation->key;
    job->msg_len_to_cipher_in_bytes = bytes;
    job->iv = nonces[i];
    job->iv_len_in_bytes = 16;
    job->chain_order = IMB_ORDER_CIPHER_HASH;
    switch (kind) {
    case CHAIN:
        job->dst = sources[i]; // it hashes what it has encrypted where that lies
        job->cipher_mode = IMB_CIPHER_CBC;
        break;
    case CBC_DEC:
        job->cipher_direction = IMB_DIR_DECRYPT;
        job->cipher_mode = IMB_CIPHER_CBC;
        break;
    case CBC_ENC:
        job->cipher_mode = IMB_CIPHER_CBC;
        break;
    case CTR:
        job->cipher_mode = IMB_CIPHER_CNTR;
        break;
    case GCM_DEC:
        job->cipher_direction = IMB_DIR_DECRYPT;
        job->chain_order = IMB_ORDER_HASH_CIPHER; // fall through
    case GCM_ENC:
        job->cipher_mode = IMB_CIPHER_GCM;
        job->enc_keys = job->dec_keys = &gcm_key;
        job->iv_len_in_bytes = 12;
        job->u.GCM.aad = NULL;
        job->u.GCM.aad_len_in_bytes = 0;
        break;
    case CCM_ENC:
        job->cipher_mode = IMB_CIPHER_CCM;
        job->chain_order = IMB_ORDER_HASH_CIPHER;
        job->iv_len_in_bytes = 13;
        job->u.CCM.aad = NULL;
        job->u.CCM.aad_len_in_bytes = 0;
        break;
    default:
        job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
        job->enc_keys = job->dec_keys = key;
        job->iv_len_in_bytes = 12;
        job->u.CHACHA20_POLY1305.aad = key;
        job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
    }
}

static void take(IMB_JOB *job) {
    for (; job; job = IMB_GET_COMPLETED_JOB(manager)) {
        if (job->status != IMB_STATUS_COMPLETED) {
            die("a job failed");
        }
        completed++;
    }
}

// One after the other into the lanes, and the rest out at the end.
static void round_trip(void) {
    for (unsigned i = 0; i < depth; i++) {
        IMB_JOB *job = IMB_GET_NEXT_JOB(manager);
        fill(job, i);
        take(IMB_SUBMIT_JOB(manager));
    }
    for (IMB_JOB *job; (job = IMB_FLUSH_JOB(manager));) {
        take(job);
    }
    __asm__ volatile("" ::: "memory");
}

static int ascending(const void *one, const void *other) {
    const double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        die("usage: ipsec_mb OPERATION BYTES DEPTH SECONDS");
    }
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++) {
        if (!strcmp(OPERATIONS[i].name, argv[1])) {
            operation = &OPERATIONS[i];
        }
    }
    bytes = strtoul(argv[2], NULL, 10);
    depth = (unsigned)strtoul(argv[3], NULL, 10);
    const double seconds = strtod(argv[4], NULL);
    if (!operation || !bytes || bytes > 65520 || bytes % 16 || !depth || depth > MOST_DEPTH || !(seconds > 0)) {
        die("an operation it knows, 16 to 65520 bytes in blocks of 16, a depth of 1 to 256, more than 0 seconds");
    }
    manager = alloc_mb_mgr(0);
    if (!manager) {
        die("no memory");
    }
    init_mb_mgr_auto(manager, NULL);
    prepare();
    static double rounds[MOST_ROUNDS];
    const double begun = now(), end = begun + seconds * 1e9;
    round_trip();
    // Rounds of about a fiftieth of the time, so that a disturbance spoils one and not the median.
    const double once = now() - begun;
    unsigned long times = (unsigned long)(seconds * 2e7 / (once > 1 ? once : 1)) + 1, count = 0;
    while (count < MOST_ROUNDS && (now() < end || count < 3)) {
        const double started = now();
        for (unsigned long i = 0; i < times; i++) {
            round_trip();
        }
        rounds[count++] = (now() - started) / (double)(times * depth);
    }
    unsigned sum = 0;
    for (unsigned i = 0; i < depth; i++) {
        sum = sum * 31 + tags[i][0] + targets[i][bytes - 1] + sources[i][0];
    }
    qsort(rounds, count, sizeof *rounds, ascending);
    const double ns = rounds[count / 2];
    printf("{\"operation\": \"%s\", \"bytes\": %zu, \"depth\": %u, \"version\": \"%s\", \"ns\": %.2f, \"mb_s\": %.1f, "
           "\"rounds\": %lu, \"completed\": %lu, \"checksum\": %u}\n",
           operation->name, bytes, depth, imb_get_version_str(), ns, (double)bytes * 1e3 / ns, count, completed, sum);
    free_mb_mgr(manager);
    return 0;
}
