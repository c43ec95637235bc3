/* Stands in for libnvidia-ml.so.1 below the genuine nvidia-ml-py: answers from the scenario that
 * NVML_SCENARIO names, or else the one that it was compiled for (SCENARIO); without one the driver is not
 * loaded. A line is a key and its answer:
 *
 *     gpus 8
 *     nvmlSystemGetDriverVersion 580.95.05
 *     0 nvmlDeviceGetEccMode 1 1
 *     0 nvmlDeviceGetTotalEccErrors/1/0 4
 *     4 lost-after 12
 *
 * The number before a function is the GPU's; after it come the arguments that choose an answer. What no
 * line answers is not supported. An answer may also be `error N` (nvmlReturn_t), `hangs` or `crashes`. A
 * GPU that is `lost-after N` answers N questions and then none. Signatures and numbers are those of
 * NVIDIA's nvml.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SUCCESS,
    UNINITIALIZED,
    INVALID_ARGUMENT,
    NOT_SUPPORTED,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    GPU_IS_LOST = 15,
    ARGUMENT_VERSION_MISMATCH = 25,
};
enum { LARGEST = 1024, MOST_GPUS = 64 };

struct line {
    char *key, *answer;
};

struct gpu {
    unsigned index, asked;
};

struct pci {
    char legacy[16];
    unsigned domain, bus, device, ident, subsystem;
    char name[32];
};

struct memory {
    unsigned long long total, free, used;
};

struct temperature {
    unsigned version, sensor;
    int celsius;
};

struct margin {
    unsigned version;
    int celsius;
};

struct field {
    unsigned ident, scope;
    long long timestamp, latency;
    unsigned type, result;
    unsigned long long value;
};

#ifndef SCENARIO
#define SCENARIO NULL
#endif

static struct line *lines;
static size_t known;
static struct gpu gpus[MOST_GPUS];
static int started;

static void read_scenario(void) {
    char text[LARGEST];
    const char *named = getenv("NVML_SCENARIO"), *place = named ? named : SCENARIO;
    FILE *file = place ? fopen(place, "r") : NULL;
    if (!file || lines)
        return;
    while (fgets(text, sizeof text, file)) {
        char *split, *at = text;
        text[strcspn(text, "\n")] = 0;
        if (*at >= '0' && *at <= '9' && (at = strchr(at, ' ')))
            at++;
        if (!at || !(split = strchr(at, ' ')))
            continue;
        *split = 0;
        lines = realloc(lines, (known + 1) * sizeof *lines);
        lines[known].key = strdup(text);
        lines[known++].answer = strdup(split + 1);
    }
    fclose(file);
}

static const char *find(const char *key) {
    read_scenario();
    for (size_t i = 0; i < known; i++)
        if (!strcmp(lines[i].key, key))
            return lines[i].answer;
    return NULL;
}

/* The answer to a question, and SUCCESS; or the error that it is. */
static int look_up(const char *key, const char **answer) {
    *answer = find(key);
    if (!*answer)
        return NOT_SUPPORTED;
    if (!strcmp(*answer, "hangs"))
        for (;;)
            pause();
    if (!strcmp(*answer, "crashes"))
        abort();
    return strncmp(*answer, "error ", 6) ? SUCCESS : atoi(*answer + 6);
}

static int ask(struct gpu *gpu, const char **answer, const char *format, ...) {
    char question[LARGEST], key[LARGEST + 16];
    const char *lost;
    va_list arguments;
    if (!started)
        return UNINITIALIZED;
    if (gpu < gpus || gpu >= gpus + MOST_GPUS)
        return INVALID_ARGUMENT;
    snprintf(key, sizeof key, "%u lost-after", gpu->index);
    lost = find(key);
    if (lost && gpu->asked++ >= (unsigned)atoi(lost))
        return GPU_IS_LOST;
    va_start(arguments, format);
    vsnprintf(question, sizeof question, format, arguments);
    va_end(arguments);
    snprintf(key, sizeof key, "%u %s", gpu->index, question);
    for (char *cut = key; cut && !find(key);) /* an answer may be for all arguments */
        if ((cut = strrchr(key, '/')))
            *cut = 0;
    return look_up(key, answer);
}

static int copy(const char *answer, char *text, unsigned length) {
    if (strlen(answer) >= length)
        return INSUFFICIENT_SIZE;
    strcpy(text, answer);
    return SUCCESS;
}

static int read_pci(const char *answer, struct pci *pci) {
    memset(pci, 0, sizeof *pci);
    sscanf(answer, "%15s %u %u %u %u %u %31s", pci->legacy, &pci->domain, &pci->bus, &pci->device,
           &pci->ident, &pci->subsystem, pci->name);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) {
    const char *answer;
    int result = look_up("nvmlInitWithFlags", &answer);
    (void)flags;
    if (!known)
        return DRIVER_NOT_LOADED;
    started = result == SUCCESS || result == NOT_SUPPORTED;
    return started ? SUCCESS : result;
}

const char *nvmlErrorString(int result) {
    static char text[32];
    snprintf(text, sizeof text, "NVML error %d", result);
    return text;
}

/* This one answers without nvmlInit. */
int nvmlSystemGetNVMLVersion(char *text, unsigned length) {
    const char *answer;
    int result = look_up("nvmlSystemGetNVMLVersion", &answer);
    return result ? result : copy(answer, text, length);
}

int nvmlSystemGetDriverVersion(char *text, unsigned length) {
    const char *answer;
    int result = started ? look_up("nvmlSystemGetDriverVersion", &answer) : UNINITIALIZED;
    return result ? result : copy(answer, text, length);
}

int nvmlSystemGetCudaDriverVersion_v2(int *version) {
    const char *answer;
    int result = look_up("nvmlSystemGetCudaDriverVersion_v2", &answer);
    if (!result)
        *version = atoi(answer);
    return result;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    const char *answer;
    int result = started ? look_up("gpus", &answer) : UNINITIALIZED;
    if (!result)
        *count = (unsigned)atoi(answer);
    return result;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct gpu **gpu) {
    const char *answer;
    unsigned count = 0;
    int result = nvmlDeviceGetCount_v2(&count);
    if (result)
        return result;
    if (index >= count || index >= MOST_GPUS)
        return INVALID_ARGUMENT;
    gpus[index].index = index;
    *gpu = &gpus[index];
    result = ask(*gpu, &answer, "nvmlDeviceGetHandleByIndex_v2");
    return result == NOT_SUPPORTED ? SUCCESS : result;
}

#define TEXT(NAME)                                            \
    int NAME(struct gpu *gpu, char *text, unsigned length) {  \
        const char *answer;                                   \
        int result = ask(gpu, &answer, #NAME);                \
        return result ? result : copy(answer, text, length);  \
    }

TEXT(nvmlDeviceGetUUID)
TEXT(nvmlDeviceGetSerial)
TEXT(nvmlDeviceGetName)
TEXT(nvmlDeviceGetVbiosVersion)

#define NUMBER(NAME, TYPE) NUMBER_OF(NAME, #NAME, TYPE)
#define NUMBER_OF(NAME, KEY, TYPE)                       \
    int NAME(struct gpu *gpu, TYPE *number) {            \
        const char *answer;                              \
        int result = ask(gpu, &answer, KEY);             \
        if (!result)                                     \
            *number = (TYPE)strtoull(answer, NULL, 0);   \
        return result;                                   \
    }

NUMBER(nvmlDeviceGetCurrPcieLinkWidth, unsigned)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, unsigned)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, unsigned)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, unsigned)
NUMBER(nvmlDeviceGetPersistenceMode, unsigned)
NUMBER(nvmlDeviceGetRetiredPagesPendingStatus, unsigned)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, unsigned)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, unsigned)
NUMBER(nvmlDeviceGetPowerUsage, unsigned)
NUMBER(nvmlDeviceGetPcieReplayCounter, unsigned)
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long)
/* the older name of the same */
NUMBER_OF(nvmlDeviceGetCurrentClocksThrottleReasons, "nvmlDeviceGetCurrentClocksEventReasons",
          unsigned long long)

#define PAIR(NAME)                                                       \
    int NAME(struct gpu *gpu, unsigned *first, unsigned *second) {       \
        const char *answer;                                              \
        int result = ask(gpu, &answer, #NAME);                           \
        if (!result)                                                     \
            sscanf(answer, "%u %u", first, second);                      \
        return result;                                                   \
    }

PAIR(nvmlDeviceGetEccMode)
PAIR(nvmlDeviceGetMigMode)

#define CHOSEN(NAME)                                                     \
    int NAME(struct gpu *gpu, unsigned which, unsigned *number) {        \
        const char *answer;                                              \
        int result = ask(gpu, &answer, #NAME "/%u", which);              \
        if (!result)                                                     \
            *number = (unsigned)strtoul(answer, NULL, 0);                \
        return result;                                                   \
    }

CHOSEN(nvmlDeviceGetTemperature)
CHOSEN(nvmlDeviceGetTemperatureThreshold)
CHOSEN(nvmlDeviceGetNvLinkState)
CHOSEN(nvmlDeviceGetNvLinkVersion)

#define CHOSEN_TWICE(NAME)                                                                         \
    int NAME(struct gpu *gpu, unsigned first, unsigned second, unsigned long long *number) {       \
        const char *answer;                                                                        \
        int result = ask(gpu, &answer, #NAME "/%u/%u", first, second);                             \
        if (!result)                                                                               \
            *number = strtoull(answer, NULL, 0);                                                   \
        return result;                                                                             \
    }

CHOSEN_TWICE(nvmlDeviceGetTotalEccErrors)
CHOSEN_TWICE(nvmlDeviceGetNvLinkErrorCounter)

int nvmlDeviceGetTemperatureV(struct gpu *gpu, struct temperature *temperature) {
    const char *answer;
    int result = ask(gpu, &answer, "nvmlDeviceGetTemperature/%u", temperature->sensor);
    if (temperature->version != (sizeof *temperature | 1 << 24))
        return ARGUMENT_VERSION_MISMATCH;
    if (!result)
        temperature->celsius = atoi(answer);
    return result;
}

int nvmlDeviceGetMarginTemperature(struct gpu *gpu, struct margin *margin) {
    const char *answer;
    int result = ask(gpu, &answer, "nvmlDeviceGetMarginTemperature");
    if (margin->version != (sizeof *margin | 1 << 24))
        return ARGUMENT_VERSION_MISMATCH;
    if (!result)
        margin->celsius = atoi(answer);
    return result;
}

int nvmlDeviceGetMemoryInfo(struct gpu *gpu, struct memory *memory) {
    const char *answer;
    int result = ask(gpu, &answer, "nvmlDeviceGetMemoryInfo");
    if (!result)
        sscanf(answer, "%llu %llu %llu", &memory->total, &memory->free, &memory->used);
    return result;
}

int nvmlDeviceGetPciInfo_v3(struct gpu *gpu, struct pci *pci) {
    const char *answer;
    int result = ask(gpu, &answer, "nvmlDeviceGetPciInfo_v3");
    return result ? result : read_pci(answer, pci);
}

int nvmlDeviceGetNvLinkRemotePciInfo_v2(struct gpu *gpu, unsigned link, struct pci *pci) {
    const char *answer;
    int result = ask(gpu, &answer, "nvmlDeviceGetNvLinkRemotePciInfo_v2/%u", link);
    return result ? result : read_pci(answer, pci);
}

int nvmlDeviceGetRemappedRows(struct gpu *gpu, unsigned *corrected, unsigned *uncorrected, unsigned *pending,
                              unsigned *failed) {
    const char *answer;
    int result = ask(gpu, &answer, "nvmlDeviceGetRemappedRows");
    if (!result)
        sscanf(answer, "%u %u %u %u", corrected, uncorrected, pending, failed);
    return result;
}

/* An answer is how many pages there are and their addresses; too small an array gets the number alone. */
int nvmlDeviceGetRetiredPages(struct gpu *gpu, unsigned cause, unsigned *count,
                              unsigned long long *addresses) {
    const char *answer;
    char *rest;
    unsigned room = *count;
    int result = ask(gpu, &answer, "nvmlDeviceGetRetiredPages/%u", cause);
    if (result)
        return result;
    *count = (unsigned)strtoul(answer, &rest, 10);
    if (*count > room)
        return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < *count; i++)
        addresses[i] = strtoull(rest, &rest, 0);
    return SUCCESS;
}

/* Each field has a result of its own. */
int nvmlDeviceGetFieldValues(struct gpu *gpu, int count, struct field *fields) {
    for (int i = 0; i < count; i++) {
        const char *answer;
        struct field *field = &fields[i];
        field->result =
            (unsigned)ask(gpu, &answer, "nvmlDeviceGetFieldValues/%u/%u", field->ident, field->scope);
        if (!field->result)
            field->value = strtoull(answer, NULL, 0);
    }
    return SUCCESS;
}
