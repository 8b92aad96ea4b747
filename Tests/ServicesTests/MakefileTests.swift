import TestSupport
import Testing

@Suite("The Makefile") struct MakefileTests {
    @Test(
        "ticks of another provider are in a stack of their own",
        arguments: [
            ([], ""), (["PROVIDER=binance"], " --name binance"),
            (["PROVIDER=binance", "SIMULATOR=1"], " --name binance-sim"),
            (["SIMULATOR=1"], " --name ibkr-sim"),
            (["PROVIDER=alpaca", "NAME=mine"], " --name mine"),
        ])
    func stacks(variables: [String], name: String) throws {
        for verb in ["up", "down", "status"] {
            let told = try run(
                "/usr/bin/make",
                ["--dry-run", "--directory", ServerPrograms.checkout, verb] + variables)
            // Without a name 'tapeline down' means the only stack that is up.
            let own = verb == "down" && name.isEmpty ? " --name default" : name
            let command = ".build/release/tapeline \(verb)\(own)"
            #expect(told.contains("\(command) ") || told.contains("\(command);"), "\(told)")
        }
    }
}
