import AlpacaEngine
import EngineKit
import ProviderKit
import ServiceRuntime
import TestSupport
import Testing

@testable import AlpacaProvider
@testable import PolledProvider
@testable import StreamKit

/// Keys of services that change while a gateway runs.
@Suite("New keys of services") struct NewKeyTests {
    private static func configuration(
        _ environment: [String: String], of kind: ProviderKind = .alpaca
    ) throws -> Configuration {
        let agent = ConfigurationKey("GATEWAY_USER_AGENT", .text, "Who asks.")
        let description = ServiceDescription(
            name: "t", version: "0", summary: "A provider.",
            keys: kind.keys + [agent])
        let decision = ServiceCommandLine(description).decide(
            arguments: [], environment: environment)
        guard case .run(let configuration) = decision else {
            throw SettingsError("\(decision)")
        }
        return configuration
    }

    @Test("a connection is authenticated by what the files have then, and nothing shows it")
    func renewed() throws {
        let folder = try TemporaryFolder()
        let setup = try AlpacaSetup(
            Self.configuration([
                "ALPACA_API_KEY_FILE": try folder.write("first-key\n", to: "key"),
                "ALPACA_API_SECRET_FILE": try folder.write("first-secret\n", to: "secret"),
            ]), seed: 1)
        #expect(setup.authentication.contains("first-key"))
        try folder.write("second-key\n", to: "key")
        try folder.write("second-secret\n", to: "secret")
        #expect(setup.keys.both[0] == "first-key" && setup.keys.both[1] == "first-secret")
        let request = setup.authentication
        #expect(request.contains("second-key") && request.contains("second-secret"))
        #expect(setup.keys.both[0] == "second-key" && setup.keys.both[1] == "second-secret")
        let hidden = setup.engine.stream.hidden
        let said = "second-secret, first-secret, c2Vjb25kLXNlY3JldA==, other"
        let shown = hidden.taken(outOf: said)
        #expect(!shown.contains("secret") && !shown.contains("c2Vjb25kLXNl"), "\(shown)")
        #expect(shown.contains("other") && !"\(setup.keys)".contains("second"))
        // What is no key does not replace one.
        try folder.write("third key\n", to: "key")
        #expect(setup.authentication.contains("second-key"))
    }

    @Test("each request to a polled service has the key that its file has then")
    func polled() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("first-key\n", to: "key")
        let setup = try PolledSetup(
            .fred, Self.configuration(["FRED_API_KEY_FILE": path], of: .fred), seed: 1)
        #expect(setup.credentials().query.map(\.value) == ["first-key"])
        try folder.write("second-key\n", to: "key")
        #expect(setup.credentials().query.map(\.value) == ["second-key"])
    }

    @Test("a key in the environment stays as it is")
    func fixed() throws {
        let setup = try AlpacaSetup(
            Self.configuration(["ALPACA_API_KEY": "own-key", "ALPACA_API_SECRET": "own-secret"]),
            seed: 1)
        #expect(setup.authentication.contains("own-key"))
        #expect(!setup.engine.stream.hidden.taken(outOf: "own-secret").contains("own"))
    }
}
