#pragma once
#include "float_lanes.h"

// Places in a cache of keys and values, for the kernels over lanes.

enum { GROUP = CVAR_KEY_GROUP };

// The run that holds a position, which becomes one of the run's own.
CVAR_INLINE const cvar_kv_run *find_run(const cvar_kv *kv, int32_t *position) {
  if (*position < kv->body.capacity) return &kv->body;
  *position -= kv->body.capacity;
  return &kv->tail;
}

// The first element of the group of keys that holds a position of the run.
CVAR_INLINE size_t key_group_index(const cvar_kv *kv, const cvar_kv_run *run, int32_t head,
                                   int32_t position) {
  size_t group = (size_t)head * (size_t)(run->capacity / GROUP) + (size_t)(position / GROUP);
  return group * (size_t)(kv->head_dim * GROUP);
}

// The scale of a position of the run; its values begin at head_dim times that.
CVAR_INLINE size_t scale_index(const cvar_kv_run *run, int32_t head, int32_t position) {
  return (size_t)head * (size_t)run->capacity + (size_t)position;
}
