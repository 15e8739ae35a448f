// Linear layers with frozen weights: the gradient goes to the input alone, and weights lie as the machine likes them.
//
// oneDNN's own operator takes weights that were reordered once, and the ReLU behind a layer with the product.
// Every function returns 0, or 1 with a message in `error` (cut to `capacity` bytes, always ended).

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/threshold_backward.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <cstdio>
#include <exception>
#include <torch/csrc/autograd/custom_function.h>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor reorder(const Tensor &weight, int64_t rows) {
  static auto op = c10::Dispatcher::singleton()
                       .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
                       .typed<Tensor(const Tensor &, std::optional<int64_t>)>();
  return op.call(weight, rows);
}

Tensor product(const Tensor &x, const Tensor &packed, const std::optional<Tensor> &bias, bool relu) {
  static auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
          .typed<Tensor(const Tensor &, const Tensor &, const std::optional<Tensor> &, std::string_view,
                        c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>)>();
  return op.call(x, packed, bias, relu ? "relu" : "none", c10::List<std::optional<at::Scalar>>(), "");
}

// y = relu?(x W^T + b) with W in oneDNN's order; `back` is W^T in that order, or W as it is.
struct Packed : torch::autograd::Function<Packed> {
  static Tensor forward(AutogradContext *ctx, const Tensor &x, const Tensor &packed, const Tensor &back,
                        const std::optional<Tensor> &bias, bool relu) {
    auto y = product(x.contiguous(), packed, bias, relu);
    ctx->saved_data["back"] = back;
    ctx->saved_data["relu"] = relu;
    if (relu) ctx->save_for_backward({y});
    return y;
  }

  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    auto gradient = gradients[0];
    if (ctx->saved_data["relu"].toBool()) {
      gradient = at::threshold_backward(gradient, ctx->get_saved_variables()[0], 0);
    }
    gradient = gradient.contiguous();
    const auto back = ctx->saved_data["back"].toTensor();
    auto to_x = back.is_mkldnn() ? product(gradient, back, std::nullopt, false) : at::mm(gradient, back);
    return {to_x, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

Tensor widened(const Tensor &rounded, const Tensor &scales) {
  return rounded.to(scales.scalar_type()) * scales.unsqueeze(1);
}

// y = x W^T with eight-bit W, widened for each product and not kept between forward and backward.
struct Int8 : torch::autograd::Function<Int8> {
  static Tensor forward(AutogradContext *ctx, const Tensor &x, const Tensor &rounded, const Tensor &scales) {
    ctx->saved_data["rounded"] = rounded;
    ctx->saved_data["scales"] = scales;
    return at::matmul(x, widened(rounded, scales).t());
  }

  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const auto rounded = ctx->saved_data["rounded"].toTensor();
    const auto scales = ctx->saved_data["scales"].toTensor();
    return {at::matmul(gradients[0], widened(rounded, scales)), Tensor(), Tensor()};
  }
};

template <typename Work> int guarded(char *error, size_t capacity, Work work) {
  try {
    work();
    return 0;
  } catch (const std::exception &failure) {
    std::snprintf(error, capacity, "%s", failure.what());
    return 1;
  }
}

}  // namespace

// `weight` [outputs, inputs] in oneDNN's order, for products of about `rows` rows; one is tried, so that a machine
// that cannot says so here.
extern "C" int allround_pack(const Tensor *weight, int64_t rows, Tensor **out, char *error, size_t capacity) {
  return guarded(error, capacity, [&] {
    c10::NoGradGuard no_grad;
    auto packed = reorder(*weight, rows);
    product(at::zeros({1, weight->size(1)}, weight->options().requires_grad(false)), packed, std::nullopt, false);
    *out = new Tensor(std::move(packed));
  });
}

extern "C" int allround_packed_linear(const Tensor *x, const Tensor *packed, const Tensor *back, const Tensor *bias,
                                      int relu, Tensor **out, char *error, size_t capacity) {
  return guarded(error, capacity, [&] {
    auto given = bias ? std::optional<Tensor>(*bias) : std::nullopt;
    *out = new Tensor(Packed::apply(*x, *packed, *back, given, relu != 0));
  });
}

extern "C" int allround_int8_linear(const Tensor *x, const Tensor *rounded, const Tensor *scales, Tensor **out,
                                    char *error, size_t capacity) {
  return guarded(error, capacity, [&] { *out = new Tensor(Int8::apply(*x, *rounded, *scales)); });
}
