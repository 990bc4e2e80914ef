package schema

// defaultNetwork is the one that every service without networks is on.
const defaultNetwork = "default"

// networks tells what of a service's networks is missed. Until networks are
// built every task has its node's network, which is what a service on the
// network "host" asks for.
func (b *builder) networks(n *node, at string) {
	attached := fieldsOf(n.get("networks"))
	if len(attached) == 0 {
		b.defaultSettings()
	}
	for _, f := range attached {
		here := at + ".networks." + f.key
		switch {
		case f.key == defaultNetwork && len(f.value.fields) == 0:
			b.defaultSettings()
		case f.key != defaultNetwork && !b.defined("networks", &node{kind: text, value: f.key, pos: f.pos}, here):
		case b.isHostNetwork(f.key):
		default:
			b.to.partial(f.pos, here, "networks are not built yet; until then the task has its node's network")
		}
	}
}

// defaultSettings tells of a default network that is not as it comes.
func (b *builder) defaultSettings() {
	if b.isHostNetwork(defaultNetwork) {
		return
	}
	for _, f := range fieldsOf(b.root.at("networks", defaultNetwork)) {
		if f.key != "labels" && f.key != "attachable" && !(f.key == "driver" && f.value.value == "overlay") {
			b.to.partial(f.pos, "networks."+defaultNetwork+"."+f.key, "networks are not built yet; until then tasks have their node's network")
		}
	}
}

// isHostNetwork says whether the network is Docker's own "host".
func (b *builder) isHostNetwork(key string) bool {
	n := b.root.at("networks", key)
	if !isExternal(n) {
		return false
	}
	for _, name := range []string{n.get("name").text(), n.at("external", "name").text()} {
		if name != "" {
			return name == "host"
		}
	}
	return key == "host"
}
