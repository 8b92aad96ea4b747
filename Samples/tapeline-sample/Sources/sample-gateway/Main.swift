internal import ProviderGateway

/// The gateway with a provider of one's own beside those that it has.
@main
enum Program {
    static func main() { ProviderGateway.Main.run(providers: [JSONFileProvider.kind]) }
}
