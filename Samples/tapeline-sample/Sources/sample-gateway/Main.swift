internal import ProviderGateway

/// The gateway with a custom provider beside its own.
@main
enum Program {
    static func main() { ProviderGateway.Main.run(providers: [JSONFileProvider.kind]) }
}
