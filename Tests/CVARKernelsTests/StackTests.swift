import CVARKernelChecks
import CVARKernels
import Testing

/// The plan of a request counts on what the kernel tables state.
@Suite(.serialized) struct StackTests {
  @Test(arguments: supportedISAs) func kernelsTakeAsMuchOfTheStackAsTheyState(isa: cvar_isa) {
    expectNoFailure(cvar_check_stack(isa))
  }
}
