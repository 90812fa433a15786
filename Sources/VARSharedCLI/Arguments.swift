import ArgumentParser
import VARKernels
import VQ4Format

extension InstructionSet: ExpressibleByArgument {}
extension VQ4StorageLayout: ExpressibleByArgument {}

extension ByteCount: ExpressibleByArgument {
  package init?(argument: String) { self.init(text: argument) }
}
