import VARCheckpoint
import VARConversion
import VQ4Format

/// Remedies in the words of the command line.
enum RemedyText {
  /// An error in the words of the command line.
  static func text(_ error: any Error) -> String {
    switch error {
    case let error as ConversionError: "\(error)" + (error.remedy.map(advice) ?? "")
    case let error as CheckpointError where error.code == .headerOverBudget:
      "\(error); grant it with --ram"
    case let error as VQ4Error where error.needsNewConversion: "\(error) with --force"
    case let error as VQ4Error where error.mayBeOverwritten: "\(error) with --force"
    default: "\(error)"
    }
  }

  private static func advice(_ remedy: ConversionError.Remedy) -> String {
    switch remedy {
    case .name(let parts) where parts == [.projector]:
      "; give --projector with a VARGPT checkpoint or a state dict that has them"
    case .name(let parts): "; give " + list(parts.map(flag))
    case .fewerThreads: "; ask for fewer with --threads"
    case .grant(let bytes): "; grant it --ram \((bytes + (1 << 20) - 1) >> 20)M"
    case .resumeOrStartAnew: "; --resume goes on with it, --force starts anew"
    case .allowZeroWeights: ", or convert it as it is with --allow-zero-weights"
    case .startAnew: "; undo that, or start anew with --force"
    }
  }

  private static func flag(_ part: CheckpointParts.Part) -> String {
    switch part {
    case .generator: "--generator"
    case .vae: "--vae"
    case .projector: "--projector"
    }
  }

  private static func list(_ flags: [String]) -> String {
    guard let last = flags.last, flags.count > 1 else { return flags.joined() }
    return flags.dropLast().joined(separator: ", ") + " and " + last
  }
}
