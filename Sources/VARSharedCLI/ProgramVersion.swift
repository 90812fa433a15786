import VARKernels
import VQ4Format

/// What the programs print for `--version`.
package enum ProgramVersion {
  /// Name, version, the instruction set in use and the file format, for example `varlite 0.1.0 (avx2, vq4 1.0)`.
  package static func text(_ program: String) -> String {
    "\(program) \(PackageVersion.text) "
      + "(\(InstructionSet.best.rawValue), vq4 \(VQ4File.writtenFormatVersion))"
  }
}
