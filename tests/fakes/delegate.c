/* Small TFLite delegates in place of libedgetpu: one that claims no operator, so that the plain kernels run under it, and with
   -DFAILS one that finds no device. The layout is that of TfLiteDelegate in tensorflow/lite/core/c/common.h. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct Delegate {
  void *data;
  int (*prepare)(void *context, struct Delegate *delegate);
  int (*copy_from)(void *, struct Delegate *, int, void *);
  int (*copy_to)(void *, struct Delegate *, int, void *);
  void (*free_handle)(void *, struct Delegate *, int *);
  int64_t flags;
  void *opaque_delegate_builder;
} Delegate;

int opened = 0, closed = 0, prepared = 0, fails_next = 0;
char last_device[32] = "";

static int prepare(void *context, Delegate *delegate) {
  (void)context, (void)delegate;
  prepared++;
  return fails_next ? 1 : 0;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
#ifdef FAILS
  report("no device");
  return NULL;
#endif
  (void)report;
  for (size_t place = 0; place < count; place++)
    if (!strcmp(keys[place], "device")) strncpy(last_device, values[place], sizeof last_device - 1);
  Delegate *delegate = calloc(1, sizeof *delegate);
  delegate->prepare = prepare;
  opened++;
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) {
  closed += delegate != NULL;
  free(delegate);
}
