import ProviderGateway

@main
enum Program {
    static func main() { ProviderGateway.Main.run() }
}
