// Adam on rows of a table: steps without a gradient are made up for, row by row, just before a row is read.
//
// Each number is computed as LibTorch's fused kernel computes it (vector of eight floats with fused multiply-add), in the same
// order, so that no bit differs. A row stays in registers for all steps that it missed, where a pass over the whole table
// for each step would read it from memory again.

#include <ATen/Parallel.h>
#include <algorithm>
#include <cmath>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>

namespace {

// Numbers of all steps, and what differs from step to step, as the kernel rounds them.
struct Steps {
  float mean_weight, square_decay, square_weight, epsilon, largest_size;
  const float *sizes, *roots;
};

struct Lanes {
  float *weight, *first, *second;
  int64_t count;
};

// An update of at most this share of a weight, with all that follow it, leaves the weight as it is: half a unit in the last
// place is 2^-25 of it or more, and 2^-2 is left for rounding.
constexpr float UNCHANGED = 0x1p-27f;
// Below it the argument above does not hold: moments that are no normal numbers decay unevenly.
constexpr float SMALLEST = 0x1p-70f;

__attribute__((target("avx2,fma"))) inline bool all(__m256 mask) { return _mm256_movemask_ps(mask) == 0xff; }

// Decays a moment by `count` steps without gradient, or until it stays as it is.
template <typename Decay>
__attribute__((target("avx2,fma"))) inline __m256 decayed(__m256 moment, uint32_t count, Decay decay) {
  for (; count > 0; --count) {
    const __m256 next = decay(moment);
    if (all(_mm256_cmp_ps(next, moment, _CMP_EQ_OQ))) return next;
    moment = next;
  }
  return moment;
}

// Eight floats, or the first `count` of them and zeros.
__attribute__((target("avx2,fma"))) inline __m256i first_lanes(int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}

__attribute__((target("avx2,fma"))) inline __m256 load(const float *from, int64_t count) {
  return count >= 8 ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, first_lanes(count));
}

__attribute__((target("avx2,fma"))) inline void store(float *to, int64_t count, __m256 numbers) {
  // A masked store is slow where it is not needed.
  if (count >= 8) {
    _mm256_storeu_ps(to, numbers);
  } else {
    _mm256_maskstore_ps(to, first_lanes(count), numbers);
  }
}

// Eight weights or fewer with their moments.
struct Numbers {
  __m256 w, m, v;
};

// The update of the weights after the moments have moved.
__attribute__((target("avx2,fma"))) inline __m256 update(const Steps &steps, const Numbers &now, uint32_t step) {
  const __m256 root = _mm256_div_ps(_mm256_sqrt_ps(now.v), _mm256_set1_ps(steps.roots[step]));
  const __m256 scaled = _mm256_mul_ps(_mm256_set1_ps(steps.sizes[step]), now.m);
  return _mm256_div_ps(scaled, _mm256_add_ps(root, _mm256_set1_ps(steps.epsilon)));
}

// Whether neither this update nor a later one without gradient changes the weights. Later ones are smaller by the decay of
// both moments; the step size and the correction of the root are bounded.
__attribute__((target("avx2,fma"))) inline bool is_over(const Steps &steps, const Numbers &now, __m256 update, uint32_t step) {
  const float share = UNCHANGED * -steps.sizes[step] * steps.roots[step] / steps.largest_size;
  const __m256 sign = _mm256_set1_ps(-0.0f), magnitude = _mm256_andnot_ps(sign, now.w);
  const __m256 allowed = _mm256_mul_ps(magnitude, _mm256_set1_ps(share));
  const __m256 small = _mm256_cmp_ps(_mm256_andnot_ps(sign, update), allowed, _CMP_LE_OQ);
  const __m256 normal = _mm256_cmp_ps(magnitude, _mm256_set1_ps(SMALLEST), _CMP_GE_OQ);
  const __m256 still = _mm256_cmp_ps(now.m, _mm256_setzero_ps(), _CMP_EQ_OQ);
  return all(_mm256_or_ps(still, _mm256_and_ps(small, normal)));
}

// Steps `from` to `to` (exclusive) without gradient. The kernel's products with a gradient of zero leave only the decay:
// (0 - m) * weight + m is m - m * weight, and 0 * 0 + v * decay is v * decay.
__attribute__((target("avx2,fma"))) inline void decay(const Steps &steps, Numbers &now, uint32_t from, uint32_t to, bool may_stop) {
  const __m256 mean_weight = _mm256_set1_ps(steps.mean_weight), square_decay = _mm256_set1_ps(steps.square_decay);
  uint32_t step = from;
  while (step < to) {
    const uint32_t end = to - step < 32 ? to : step + 16;
    __m256 last = _mm256_setzero_ps();
    for (; step < end; ++step) {
      now.m = _mm256_fnmadd_ps(now.m, mean_weight, now.m);
      now.v = _mm256_mul_ps(now.v, square_decay);
      last = update(steps, now, step);
      now.w = _mm256_add_ps(last, now.w);
    }
    if (may_stop && step < to && is_over(steps, now, last, step - 1)) {
      now.m = decayed(now.m, to - step, [&](__m256 it) __attribute__((target("avx2,fma"))) {
        return _mm256_fnmadd_ps(it, mean_weight, it);
      });
      now.v = decayed(now.v, to - step, [&](__m256 it) __attribute__((target("avx2,fma"))) { return _mm256_mul_ps(it, square_decay); });
      return;
    }
  }
}

// Steps `from` to `to` (exclusive) of eight numbers or fewer; the last one has the gradient, where there is one.
__attribute__((target("avx2,fma"))) void replay(const Steps &steps, const Lanes &lanes, uint32_t from, uint32_t to,
                                                const float *gradient, bool may_stop) {
  const __m256 zero = _mm256_setzero_ps();
  Numbers now{load(lanes.weight, lanes.count), load(lanes.first, lanes.count), load(lanes.second, lanes.count)};
  // What was never touched stays.
  const bool untouched = all(_mm256_and_ps(_mm256_cmp_ps(now.m, zero, _CMP_EQ_OQ), _mm256_cmp_ps(now.v, zero, _CMP_EQ_OQ)));
  if (untouched && !gradient) return;
  if (!untouched) decay(steps, now, from, gradient ? to - 1 : to, may_stop);
  if (gradient) {
    const __m256 g = load(gradient, lanes.count);
    now.m = _mm256_fmadd_ps(_mm256_sub_ps(g, now.m), _mm256_set1_ps(steps.mean_weight), now.m);
    const __m256 weighted = _mm256_mul_ps(_mm256_set1_ps(steps.square_weight), g);
    now.v = _mm256_fmadd_ps(g, weighted, _mm256_mul_ps(now.v, _mm256_set1_ps(steps.square_decay)));
    now.w = _mm256_add_ps(update(steps, now, to - 1), now.w);
  }
  store(lanes.weight, lanes.count, now.w);
  store(lanes.first, lanes.count, now.m);
  store(lanes.second, lanes.count, now.v);
}

}  // namespace

// Whether this processor has what the replay is written for.
extern "C" int allround_can_replay() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

// Brings `count` different rows of a table [V, width] from their step `from[i]` to step `to`, each a place in `sizes` and
// `roots`. `numbers`: weight of the gradient in the mean, decay and weight of squares, epsilon, the largest step size.
// With `gradient` [V, width], the last step has it. Numbers from place `limit` on are left out: the kernel computes the last
// ones of a tensor, fewer than eight, in another way.
extern "C" void allround_replay_rows(float *weight, float *first, float *second, const float *gradient, int64_t width,
                                     int64_t limit, const int64_t *rows, const uint32_t *from, int64_t count, uint32_t to, const float *numbers,
                                     const float *sizes, const float *roots, int may_stop) {
  const Steps steps{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], sizes, roots};
  at::parallel_for(0, count, 64, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t d = 0; d < width; d += 8) {
        const int64_t at = rows[n] * width + d;
        if (at >= limit) break;
        const Lanes there{weight + at, first + at, second + at, std::min(width - d, limit - at)};
        replay(steps, there, from[n], to, gradient ? gradient + at : nullptr, may_stop != 0);
      }
    }
  });
}

#else

extern "C" int allround_can_replay() { return 0; }
extern "C" void allround_replay_rows(float *, float *, float *, const float *, int64_t, int64_t, const int64_t *, const uint32_t *, int64_t,
                                     uint32_t, const float *, const float *, const float *, int) {}

#endif

// The step size (negative) and the root of the second correction of step number `step`, as LibTorch's fused kernel rounds them.
extern "C" void allround_adam_step(double lr, double beta1, double beta2, double step, float *size, float *root) {
  *size = static_cast<float>(-(lr / (1 - std::pow(beta1, step))));
  *root = static_cast<float>(std::sqrt(1 - std::pow(beta2, step)));
}
