// The ops of autograd, in alphabetical order. Each is defined in the file of its name; a new one joins both lists.
#include "autograd/registry/registry.h"

namespace saccade {

Op adam_op();
Op add_op();
Op augment_op();
Op average_pool2d_op();
Op batch_hard_triplet_op();
Op batch_norm_op();
Op batch_norm_residual_op();
Op batched_matmul_op();
Op bin_pool_op();
Op cast_op();
Op concat_op();
Op conv2d_op();
Op cross_entropy_op();
Op div_op();
Op dropout_op();
Op fill_op();
Op gather_rows_op();
Op gelu_op();
Op generalized_mean_pool_op();
Op global_average_pool_op();
Op gradient_clip_op();
Op group_max_op();
Op l2_normalize_op();
Op linear_op();
Op log_softmax_op();
Op matmul_op();
Op max_pool2d_op();
Op mean_op();
Op mul_op();
Op pairwise_distance_op();
Op region_pool_op();
Op relu_op();
Op scale_op();
Op scatter_add_rows_op();
Op sgd_op();
Op sigmoid_op();
Op sigmoid_gate_op();
Op slice_columns_op();
Op softmax_op();
Op split_op();
Op step_counter_op();
Op sub_op();
Op sum_op();
Op tanh_op();
Op topk_op();
Op transpose2d_op();
Op weighted_sum_op();

std::vector<Op> autograd_ops() {
  return {
      adam_op(),
      add_op(),
      augment_op(),
      average_pool2d_op(),
      batch_hard_triplet_op(),
      batch_norm_op(),
      batch_norm_residual_op(),
      batched_matmul_op(),
      bin_pool_op(),
      cast_op(),
      concat_op(),
      conv2d_op(),
      cross_entropy_op(),
      div_op(),
      dropout_op(),
      fill_op(),
      gather_rows_op(),
      gelu_op(),
      generalized_mean_pool_op(),
      global_average_pool_op(),
      gradient_clip_op(),
      group_max_op(),
      l2_normalize_op(),
      linear_op(),
      log_softmax_op(),
      matmul_op(),
      max_pool2d_op(),
      mean_op(),
      mul_op(),
      pairwise_distance_op(),
      region_pool_op(),
      relu_op(),
      scale_op(),
      scatter_add_rows_op(),
      sgd_op(),
      sigmoid_op(),
      sigmoid_gate_op(),
      slice_columns_op(),
      softmax_op(),
      split_op(),
      step_counter_op(),
      sub_op(),
      sum_op(),
      tanh_op(),
      topk_op(),
      transpose2d_op(),
      weighted_sum_op(),
  };
}

}  // namespace saccade
