// What tch lacks of LibTorch, behind a C interface. Device-generic: nothing here names CUDA.
//
// Every function returns 0, or 1 with a message in `error` (cut to `capacity` bytes, always ended).

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/index_add.h>
#include <ATen/ops/index_fill.h>
#include <ATen/ops/pin_memory.h>
#include <c10/core/Event.h>
#include <c10/core/GradMode.h>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <malloc.h>
#include <memory>
#include <vector>

namespace {

std::vector<at::Tensor> list(at::Tensor *const *tensors, size_t count) {
  std::vector<at::Tensor> all;
  all.reserve(count);
  for (size_t i = 0; i < count; ++i) all.push_back(*tensors[i]);
  return all;
}

// Whether rows can be written with plain loops, which beat an operation per row.
bool is_plain_table(const at::Tensor &table) {
  return table.is_cpu() && table.scalar_type() == at::kFloat && table.is_contiguous() && table.dim() == 2;
}

// The kind of device that LibTorch has beside the CPU.
c10::DeviceType accelerator() {
  const auto kind = at::getAccelerator();
  TORCH_CHECK(kind.has_value(), "LibTorch has no accelerator on this machine");
  return *kind;
}

}  // namespace

// Lets the allocator keep what tensors free: a step frees and takes the same megabytes again, and giving them back to the
// kernel costs a page fault for each 4 KiB.
extern "C" void allround_keep_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

// Keeps attention from cuDNN, which plans anew for each length of the rows it meets: that takes a tenth of a second and
// more, longer than the step it is for, and prompts have a new length in every batch.
extern "C" void allround_attend_without_cudnn() { at::globalContext().setSDPUseCuDNN(false); }

// A copy of a tensor of the CPU in memory that a device can read by itself.
extern "C" int allround_pin(const at::Tensor *host, at::Tensor **out, char *error, size_t capacity) {
  try {
    c10::NoGradGuard no_grad;
    *out = new at::Tensor(host->pin_memory());
    return 0;
  } catch (const std::exception &failure) {
    std::snprintf(error, capacity, "%s", failure.what());
    return 1;
  }
}

// Forgets the gradient of a weight, so that the next backward pass leaves its own instead of adding to it.
extern "C" int allround_clear_gradient(at::Tensor *weight, char *error, size_t capacity) {
  try {
    weight->mutable_grad().reset();
    return 0;
  } catch (const std::exception &failure) {
    std::snprintf(error, capacity, "%s", failure.what());
    return 1;
  }
}

// Adds `rows` [N, D] to the rows of `table` [V, D] that `indices` [N] name, one after another.
extern "C" int allround_add_rows(at::Tensor *table, at::Tensor *indices, at::Tensor *rows,
                                 char *error, size_t capacity) {
  try {
    c10::NoGradGuard no_grad;
    const auto values = rows->contiguous();
    const auto places = indices->contiguous();
    if (!is_plain_table(*table)) {
      table->index_add_(0, places, values);
      return 0;
    }
    const int64_t count = places.numel(), height = table->size(0), width = table->size(1);
    TORCH_CHECK(values.size(0) == count && values.size(1) == width, "rows do not fit the table");
    float *into = table->mutable_data_ptr<float>();
    const float *from = values.const_data_ptr<float>();
    const int64_t *place = places.const_data_ptr<int64_t>();
    for (int64_t n = 0; n < count; ++n) {
      TORCH_CHECK(place[n] >= 0 && place[n] < height, "a row outside the table");
      float *to = into + place[n] * width;
      for (int64_t d = 0; d < width; ++d) to[d] += from[n * width + d];
    }
    return 0;
  } catch (const std::exception &failure) {
    std::snprintf(error, capacity, "%s", failure.what());
    return 1;
  }
}

// Sets the rows of `table` [V, D] that `indices` name to zero.
extern "C" int allround_clear_rows(at::Tensor *table, at::Tensor *indices, char *error,
                                   size_t capacity) {
  try {
    c10::NoGradGuard no_grad;
    if (!is_plain_table(*table)) {
      table->index_fill_(0, *indices, 0);
      return 0;
    }
    const auto places = indices->contiguous();
    const int64_t height = table->size(0), width = table->size(1);
    float *into = table->mutable_data_ptr<float>();
    const int64_t *place = places.const_data_ptr<int64_t>();
    for (int64_t n = 0; n < places.numel(); ++n) {
      TORCH_CHECK(place[n] >= 0 && place[n] < height, "a row outside the table");
      std::fill_n(into + place[n] * width, width, 0.0f);
    }
    return 0;
  } catch (const std::exception &failure) {
    std::snprintf(error, capacity, "%s", failure.what());
    return 1;
  }
}

extern "C" int allround_fused_adam(at::Tensor *const *weights, at::Tensor *const *gradients,
                                   at::Tensor *const *first, at::Tensor *const *second,
                                   at::Tensor *const *steps, size_t count, const double *settings,
                                   int decoupled, char *error, size_t capacity) {
  try {
    c10::NoGradGuard no_grad;
    auto w = list(weights, count), g = list(gradients, count), m = list(first, count);
    auto v = list(second, count), s = list(steps, count);
    const double lr = settings[0], beta1 = settings[1], beta2 = settings[2];
    const double decay = settings[3], epsilon = settings[4];
    if (decoupled) {
      at::_fused_adamw_(w, g, m, v, {}, s, lr, beta1, beta2, decay, epsilon, false, false, {}, {});
    } else {
      at::_fused_adam_(w, g, m, v, {}, s, lr, beta1, beta2, decay, epsilon, false, false, {}, {});
    }
    return 0;
  } catch (const std::exception &failure) {
    std::snprintf(error, capacity, "%s", failure.what());
    return 1;
  }
}

// Makes an event that keeps time, behind all work given so far to the current stream of device number `device`.
extern "C" int allround_record_event(int64_t device, void **event, char *error, size_t capacity) {
  try {
    auto made = std::make_unique<c10::Event>(accelerator(), c10::EventFlag::BACKEND_DEFAULT);
    made->record(at::accelerator::getCurrentStream(static_cast<c10::DeviceIndex>(device)));
    *event = made.release();
    return 0;
  } catch (const std::exception &failure) {
    std::snprintf(error, capacity, "%s", failure.what());
    return 1;
  }
}

// Waits for event `to`, and tells the device's time since event `from`.
extern "C" int allround_elapsed(void *from, void *to, double *milliseconds, char *error, size_t capacity) {
  try {
    const auto *later = static_cast<c10::Event *>(to);
    later->synchronize();
    *milliseconds = static_cast<c10::Event *>(from)->elapsedTime(*later);
    return 0;
  } catch (const std::exception &failure) {
    std::snprintf(error, capacity, "%s", failure.what());
    return 1;
  }
}

extern "C" void allround_free_event(void *event) { delete static_cast<c10::Event *>(event); }

// Most bytes that tensors have held at once on device number `device`.
extern "C" int allround_peak_bytes(int64_t device, int64_t *bytes, char *error, size_t capacity) {
  try {
    const auto stats = at::accelerator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
    *bytes = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
    return 0;
  } catch (const std::exception &failure) {
    std::snprintf(error, capacity, "%s", failure.what());
    return 1;
  }
}
