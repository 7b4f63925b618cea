// Powers of ten, for decimals that become floats and floats that become decimals.
#pragma once

#include <array>
#include <cstddef>

namespace clew {

constexpr int POWER_OF_TEN_MAX = 22;

// All of those that are doubles as they are: one product or quotient with one of them is rounded once.
constexpr std::array<double, POWER_OF_TEN_MAX + 1> POWERS_OF_TEN{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// x * 10^power, for a power from -POWER_OF_TEN_MAX to POWER_OF_TEN_MAX.
constexpr double times_power_of_ten(double x, int power) {
  return power >= 0 ? x * POWERS_OF_TEN[static_cast<std::size_t>(power)]
                    : x / POWERS_OF_TEN[static_cast<std::size_t>(-power)];
}

}  // namespace clew
