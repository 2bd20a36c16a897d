// Effects of several factors on the parameters of a law, Student-t noise on log loss. What is sampled is one vector of
// real numbers, taken apart below.
functions {
  real log_saturated(real log_start, real log_most, real experts) {
    real start = exp(log_start);
    real most = exp(log_most);
    return -log10(1 / (experts - 1 + 1 / (1 / start - 1 / most)) + 1 / most);
  }
}
data {
  int<lower=1> size;
  int<lower=0, upper=1> clark;
  int<lower=1> P;
  int<lower=1> cells;
  vector[P] mean_;
  vector[P] sd_;
  int<lower=0> F;
  array[F] int free_;
  array[F] int count;
  array[F] int centred;
  int<lower=0> columns;
  matrix[cells, columns] basis;     // of the factors, side by side
  int<lower=0> entries;
  array[entries] int parameter_;    // of the factors, one after the other
  matrix[entries, 2] spread;
  int<lower=2> K;
  matrix[K, 2] noise;
  int<lower=0, upper=1> graded;
  int<lower=0, upper=1> several;
  int<lower=1> rows;
  array[rows] int cell;
  vector[rows] log_n;
  vector[rows] other;               // log tokens, or experts
  real experts0;
  vector[rows] log_loss;
  vector[rows] relative_se;
  vector[rows] decades;
  int<lower=1> runs;
  array[rows] int run;
  vector[runs] rows_of;
}
parameters {
  vector[size] x;
}
model {
  matrix[cells, P] theta = rep_matrix((mean_ + sd_ .* head(x, P))', cells);
  vector[rows] mu;
  vector[rows] scale;
  vector[K] logs = noise[, 1] + noise[, 2] .* tail(x, K);
  real nu = exp(logs[2]);
  int at = P;
  int column = 1;
  int entry = 1;
  int spreads_at = P;
  for (f in 1:F) spreads_at += free_[f] * count[f];
  head(x, P) ~ std_normal();
  segment(x, spreads_at + 1, size - spreads_at) ~ std_normal();
  for (f in 1:F) {
    int n = free_[f];
    int c = count[f];
    vector[c] s = segment(x, spreads_at + 1, c);
    vector[c] tau = exp(block(spread, entry, 1, c, 1)[, 1] + block(spread, entry, 2, c, 1)[, 1] .* s);
    matrix[n, c] u = to_matrix(segment(x, at + 1, n * c), n, c, 0);
    matrix[cells, c] added;
    if (centred[f]) {
      for (j in 1:c) u[, j] ~ normal(0, tau[j]);
    } else {
      to_vector(u) ~ std_normal();
      u = diag_post_multiply(u, tau);
    }
    added = block(basis, 1, column, cells, n) * u;
    for (j in 1:c) theta[, parameter_[entry + j - 1]] += added[, j];
    at += n * c;
    column += n;
    entry += c;
    spreads_at += c;
  }
  if (clark) {
    for (i in 1:rows) {
      row_vector[P] p = theta[cell[i]];
      real e = log_saturated(p[5], p[6], other[i]) - log_saturated(p[5], p[6], experts0);
      mu[i] = p[4] + log10() * (p[1] * log_n[i] + p[2] * e + p[3] * log_n[i] * e);
    }
  } else {
    mu = log(exp(theta[cell, 1]) + exp(theta[cell, 2] - exp(theta[cell, 3]) .* log_n)
             + exp(theta[cell, 4] - exp(theta[cell, 5]) .* other));
  }
  {
    vector[rows] sigma = rep_vector(exp(logs[1]), rows);
    if (graded) sigma = sigma .* exp(logs[3] * decades);
    scale = sqrt(square(sigma) + square(relative_se));
  }
  if (several) {
    vector[rows] residual = log_loss - mu;
    real between = exp(logs[K]);
    vector[runs] weight = rep_vector(0, runs);
    vector[runs] pull = rep_vector(0, runs);
    vector[runs] distance = rep_vector(0, runs);
    for (i in 1:rows) {
      real w = inv_square(scale[i]);
      weight[run[i]] += w;
      pull[run[i]] += w * residual[i];
      distance[run[i]] += w * square(residual[i]);
    }
    {
      vector[runs] inflation = 1 + square(between) * weight;
      distance -= square(between * pull) ./ inflation;
      target += -sum(log(scale)) - 0.5 * sum(log(inflation)) - runs * lgamma(nu / 2)
                - 0.5 * sum(rows_of) * log(nu * pi())
                + sum(lgamma((nu + rows_of) / 2) - (nu + rows_of) / 2 .* log1p(distance / nu));
    }
  } else {
    log_loss ~ student_t(nu, mu, scale);
  }
}
