// What tch lacks of LibTorch, behind a C interface. Device-generic: nothing here names CUDA.
//
// Every function returns 0, or 1 with a message in `error` (cut to `capacity` bytes, always ended).

#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <c10/core/GradMode.h>
#include <cstdio>
#include <exception>
#include <vector>

namespace {

std::vector<at::Tensor> list(at::Tensor *const *tensors, size_t count) {
  std::vector<at::Tensor> all;
  all.reserve(count);
  for (size_t i = 0; i < count; ++i) all.push_back(*tensors[i]);
  return all;
}

}  // namespace

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
