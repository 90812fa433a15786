import ArgumentParser
import VARKernels
import VQ4Format

extension InstructionSet: ExpressibleByArgument {}
extension VQ4StorageLayout: ExpressibleByArgument {}

extension ByteCount: ExpressibleByArgument {
  public init?(argument: String) { self.init(text: argument) }
}
