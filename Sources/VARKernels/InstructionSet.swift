import CVARKernels

/// A set of kernels. All sets give the same bits; they differ in speed.
public enum InstructionSet: String, Sendable, CaseIterable {
  case scalar
  case avx2
  case avxvnni
  case avx512vnni
  case neon
  case dotprod
  case i8mm

  private var isa: cvar_isa {
    switch self {
    case .scalar: CVAR_ISA_SCALAR
    case .avx2: CVAR_ISA_AVX2
    case .avxvnni: CVAR_ISA_AVXVNNI
    case .avx512vnni: CVAR_ISA_AVX512VNNI
    case .neon: CVAR_ISA_NEON
    case .dotprod: CVAR_ISA_DOTPROD
    case .i8mm: CVAR_ISA_I8MM
    }
  }

  /// Whether this machine can run the set.
  public var isSupported: Bool { cvar_kernels_for(isa) != nil }

  /// The sets of this machine, `scalar` first.
  public static var supported: [InstructionSet] { allCases.filter(\.isSupported) }

  /// The fastest set of this machine.
  public static var best: InstructionSet {
    let best = cvar_isa_best()
    return allCases.first { $0.isa == best } ?? .scalar
  }

  /// Bytes of its stack that a thread takes at most while it runs kernels of the set, which must be supported.
  package var stackByteCount: Int { kernels.pointee.stack_bytes }

  /// The kernel table; the set must be supported.
  package var kernels: UnsafePointer<cvar_kernels> {
    guard let table = cvar_kernels_for(isa) else {
      preconditionFailure("\(rawValue) kernels do not run on this machine")
    }
    return table
  }
}
